-- A stub of the tables that include/mappings/spectrum.yaml names, as that mapping takes them to be. Ours, for SQLite.
CREATE TABLE VN_VENDOR_MASTER_MC (Company_Code TEXT, Vendor_Code TEXT, Vendor_Name TEXT, Fed_ID_Number TEXT, Status TEXT, Hold_Flag TEXT,
  Address_1 TEXT, City TEXT, State TEXT, ZIP_Code TEXT);
CREATE TABLE JC_JOB_MASTER_MC (Company_Code TEXT, Job_Number TEXT, Job_Description TEXT, Status_Code TEXT);
CREATE TABLE JC_PHASE_MASTER_MC (Company_Code TEXT, Job_Number TEXT, Phase_Code TEXT, Cost_Type TEXT, Description TEXT, Status_Code TEXT,
  Original_Est_Cost INT);
CREATE TABLE VN_SUBCONTRACT_MC (Company_Code TEXT, Subcontract_Number TEXT, Job_Number TEXT, Vendor_Code TEXT, Description TEXT,
  Status_Code TEXT);
CREATE TABLE VN_SUBCONTRACT_PHASE_MC (Company_Code TEXT, Subcontract_Number TEXT, Line_Number INT, Description TEXT, Job_Number TEXT,
  Phase_Code TEXT, Cost_Type TEXT, Original_Amount INT);
CREATE TABLE PO_PURCHASE_ORDER_HEADER_MC (Company_Code TEXT, PO_Number TEXT, Job_Number TEXT, Vendor_Code TEXT, Description TEXT,
  PO_Status TEXT);
CREATE TABLE PO_PURCHASE_ORDER_DETAIL_MC (Company_Code TEXT, PO_Number TEXT, Line_Number INT, Description TEXT, Job_Number TEXT,
  Phase_Code TEXT, Cost_Type TEXT, Extended_Price INT);
CREATE TABLE JC_TRANSACTION_HISTORY_MC (Company_Code TEXT, Transaction_Number INT, Job_Number TEXT, Phase_Code TEXT, Cost_Type TEXT,
  Tran_Type_Code TEXT, Vendor_Code TEXT, Invoice_Number TEXT, Tran_Description TEXT, Tran_Date_Text TEXT, Tran_Amount INT);
INSERT INTO VN_VENDOR_MASTER_MC VALUES ('1  ', 'V1      ', 'Acme', '12-3456789', 'A', 'N', NULL, NULL, NULL, NULL);
INSERT INTO JC_JOB_MASTER_MC VALUES ('1  ', '25-104  ', 'Clinic', 'A');
INSERT INTO JC_PHASE_MASTER_MC VALUES ('1  ', '25-104  ', '03-1000 ', 'M', 'Concrete', 'A', 1500), ('1  ', '25-104  ', '03-1000 ', 'S', 'Concrete', 'A', 0);
INSERT INTO VN_SUBCONTRACT_MC VALUES ('1  ', 'SC-1  ', '25-104  ', 'V1      ', 'Slab', 'O');
INSERT INTO VN_SUBCONTRACT_PHASE_MC VALUES ('1  ', 'SC-1  ', 1, 'part', '25-104  ', '03-1000 ', 'S', 1200);
INSERT INTO PO_PURCHASE_ORDER_HEADER_MC VALUES ('1  ', 'PO-1  ', '25-104  ', 'V1      ', 'Nails', 'C');
INSERT INTO PO_PURCHASE_ORDER_DETAIL_MC VALUES ('1  ', 'PO-1  ', 1, 'nails', '25-104  ', '03-1000 ', 'M', 12);
INSERT INTO JC_TRANSACTION_HISTORY_MC VALUES ('1  ', 77, '25-104  ', '03-1000 ', 'M', 'PR', NULL, NULL, 'Wages', '20260831', 640);
