-- A stub of the tables that include/mappings/vista.yaml names, as that mapping takes them to be. Ours, for SQLite, which
-- adds exactly only where amounts are whole: so they are here.
CREATE TABLE HQCO (HQCo INT, VendorGroup INT);
CREATE TABLE HQBC (Co INT, Mth TEXT, BatchId INT, Source TEXT, CreatedBy TEXT, Status INT, PRIMARY KEY (Co, Mth, BatchId));
CREATE TABLE APVM (VendorGroup INT, Vendor INT, Name TEXT, TaxId TEXT, ActiveYN CHAR(1), Address TEXT, City TEXT, State TEXT, Zip TEXT,
  PRIMARY KEY (VendorGroup, Vendor));
CREATE TABLE JCJM (JCCo INT, Job TEXT, Description TEXT, JobStatus INT, PRIMARY KEY (JCCo, Job));
CREATE TABLE JCJP (JCCo INT, Job TEXT, Phase TEXT, Description TEXT, ActiveYN CHAR(1), PRIMARY KEY (JCCo, Job, Phase));
CREATE TABLE JCCH (JCCo INT, Job TEXT, Phase TEXT, CostType INT, ActiveYN CHAR(1));
CREATE TABLE JCCT (PhaseGroup INT, CostType INT, Description TEXT, JBCostTypeCategory CHAR(1), PRIMARY KEY (PhaseGroup, CostType));
CREATE TABLE SLHD (SLCo INT, SL TEXT, JCCo INT, Job TEXT, Description TEXT, VendorGroup INT, Vendor INT, Status INT, OrigDate TEXT,
  udProcoreMarker TEXT, PRIMARY KEY (SLCo, SL));
CREATE TABLE SLIT (SLCo INT, SL TEXT, SLItem INT, ItemType INT, Description TEXT, JCCo INT, Job TEXT, Phase TEXT, JCCType INT, UM TEXT,
  OrigUnits INT, OrigUnitCost INT, OrigCost INT, CurCost INT, PRIMARY KEY (SLCo, SL, SLItem));
CREATE TABLE SLHB (Co INT, Mth TEXT, BatchId INT, BatchSeq INT, BatchTransType CHAR(1), SL TEXT, JCCo INT, Job TEXT, Description TEXT,
  VendorGroup INT, Vendor INT, Status INT, OrigDate TEXT, udProcoreMarker TEXT UNIQUE, PRIMARY KEY (Co, Mth, BatchId, BatchSeq));
CREATE TABLE SLIB (Co INT, Mth TEXT, BatchId INT, BatchSeq INT, SLItem INT, BatchTransType CHAR(1), ItemType INT, Description TEXT,
  JCCo INT, Job TEXT, Phase TEXT, JCCType INT, UM TEXT, OrigUnits INT, OrigUnitCost INT, OrigCost INT);
CREATE TABLE POHD (POCo INT, PO TEXT, JCCo INT, Job TEXT, Description TEXT, VendorGroup INT, Vendor INT, Status INT, OrderDate TEXT,
  udProcoreMarker TEXT, PRIMARY KEY (POCo, PO));
CREATE TABLE POIT (POCo INT, PO TEXT, POItem INT, Description TEXT, JCCo INT, Job TEXT, Phase TEXT, JCCType INT, UM TEXT,
  OrigUnits INT, OrigUnitCost INT, OrigCost INT, CurCost INT);
CREATE TABLE POHB (Co INT, Mth TEXT, BatchId INT, BatchSeq INT, BatchTransType CHAR(1), PO TEXT, JCCo INT, Job TEXT, Description TEXT,
  VendorGroup INT, Vendor INT, Status INT, OrderDate TEXT, udProcoreMarker TEXT UNIQUE, PRIMARY KEY (Co, Mth, BatchId, BatchSeq));
CREATE TABLE POIB (Co INT, Mth TEXT, BatchId INT, BatchSeq INT, POItem INT, BatchTransType CHAR(1), Description TEXT, JCCo INT, Job TEXT,
  Phase TEXT, JCCType INT, UM TEXT, OrigUnits INT, OrigUnitCost INT, OrigCost INT);
CREATE TABLE APTH (APCo INT, Mth TEXT, APTrans INT, VendorGroup INT, Vendor INT, APRef TEXT, InvDate TEXT, InvTotal INT, VoidYN CHAR(1),
  HoldCode TEXT, udProcoreMarker TEXT, udProcoreDraw INT, PRIMARY KEY (APCo, Mth, APTrans));
CREATE TABLE APTL (APCo INT, Mth TEXT, APTrans INT, APLine INT, LineType INT, SL TEXT, SLItem INT, JCCo INT, Job TEXT, Phase TEXT,
  JCCType INT, GrossAmt INT, Retainage INT);
CREATE TABLE APTD (APCo INT, Mth TEXT, APTrans INT, APLine INT, APSeq INT, Status INT, Amount INT, PayMethod CHAR(1), CMRef TEXT,
  PaidDate TEXT);
CREATE TABLE APUI (APCo INT, UIMth TEXT, UISeq INT, VendorGroup INT, Vendor INT, APRef TEXT, InvDate TEXT, InvTotal INT, HoldCode TEXT,
  udProcoreMarker TEXT UNIQUE, udProcoreDraw INT, PRIMARY KEY (APCo, UIMth, UISeq));
CREATE TABLE APUL (APCo INT, UIMth TEXT, UISeq INT, Line INT, LineType INT, SL TEXT, SLItem INT, JCCo INT, Job TEXT, Phase TEXT,
  JCCType INT, GrossAmt INT, Retainage INT);
CREATE TABLE JCCD (JCCo INT, Mth TEXT, CostTrans INT, Job TEXT, Phase TEXT, CostType INT, JCTransType TEXT, Vendor INT, APRef TEXT,
  Description TEXT, ActualDate TEXT, ActualCost INT, ActualHours TEXT, SL TEXT, PRIMARY KEY (JCCo, Mth, CostTrans));
