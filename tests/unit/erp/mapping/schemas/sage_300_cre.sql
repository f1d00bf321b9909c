-- A stub of the tables that include/mappings/sage_300_cre.yaml names, as that mapping takes them to be. Ours, for SQLite: money is
-- text there, so that no binary number comes near it.
CREATE TABLE APM_MASTER__VENDOR (Data_Folder_Id TEXT, Vendor TEXT, Name TEXT, Tax_ID TEXT, Inactive TEXT, Payment_Hold TEXT,
  Address_1 TEXT, City TEXT, State TEXT, ZIP TEXT);
CREATE TABLE JCM_MASTER__JOB (Data_Folder_Id TEXT, Job TEXT, Description TEXT, Status TEXT);
CREATE TABLE JCM_MASTER__EXTRA (Data_Folder_Id TEXT, Job TEXT, Extra TEXT, Description TEXT);
CREATE TABLE JCM_MASTER__STANDARD_CATEGORY (Data_Folder_Id TEXT, Category TEXT, Description TEXT);
CREATE TABLE JCM_MASTER__COST_CODE (Data_Folder_Id TEXT, Job TEXT, Extra TEXT, Cost_Code TEXT, Description TEXT,
  Group_Cost_Code TEXT);
CREATE TABLE JCM_MASTER__CATEGORY (Data_Folder_Id TEXT, Job TEXT, Extra TEXT, Cost_Code TEXT, Category TEXT);
CREATE TABLE JCM_MASTER__COMMITMENT (Data_Folder_Id TEXT, Commitment TEXT, Type TEXT, Job TEXT, Vendor TEXT, Description TEXT,
  Closed TEXT, Date TEXT, Retainage_Percent TEXT, Amount TEXT, Approved_Commitment_Changes TEXT);
CREATE TABLE JCM_MASTER__COMMITMENT_ITEM (Data_Folder_Id TEXT, Commitment TEXT, Item INT, Description TEXT, Job TEXT, Extra TEXT,
  Cost_Code TEXT, Category TEXT, Amount TEXT, Units TEXT, Unit_Cost TEXT);
CREATE TABLE JCM_MASTER__COMMITMENT_CUSTOM_FIELDS (Data_Folder_Id TEXT, Commitment TEXT, Procore_Marker TEXT);
CREATE TABLE JCM_MASTER__COMMITMENT_CO (Data_Folder_Id TEXT, Commitment TEXT, Change_Order TEXT, Job TEXT, Description TEXT,
  Status TEXT, Date TEXT, Amount TEXT);
CREATE TABLE JCM_MASTER__COMMITMENT_CO_ITEM (Data_Folder_Id TEXT, Commitment TEXT, Change_Order TEXT, Change_Item INT, Item INT,
  Description TEXT, Job TEXT, Extra TEXT, Cost_Code TEXT, Category TEXT, Amount TEXT);
CREATE TABLE JCM_MASTER__COMMITMENT_CO_CUSTOM_FIELDS (Data_Folder_Id TEXT, Commitment TEXT, Change_Order TEXT, Procore_Marker TEXT);
CREATE TABLE APM_MASTER__INVOICE (Data_Folder_Id TEXT, Vendor TEXT, Invoice TEXT, Job TEXT, Commitment TEXT, Status TEXT,
  Invoice_Date TEXT, Accounting_Date TEXT, Amount TEXT, Retainage TEXT);
CREATE TABLE APM_MASTER__DISTRIBUTION (Data_Folder_Id TEXT, Vendor TEXT, Invoice TEXT, Dist_Sequence INT, Commitment TEXT,
  Commitment_Line INT, Job TEXT, Extra TEXT, Cost_Code TEXT, Category TEXT, Amount TEXT, Retainage TEXT);
CREATE TABLE APM_MASTER__INVOICE_CUSTOM_FIELDS (Data_Folder_Id TEXT, Vendor TEXT, Invoice TEXT, Procore_Marker TEXT,
  Procore_Draw INT);
CREATE TABLE APM_MASTER__INVOICE_PAYMENT (Data_Folder_Id TEXT, Bank_Account TEXT, Payment_ID TEXT, Vendor TEXT, Invoice TEXT,
  Payment_Type TEXT, Payment_Date TEXT, Voided TEXT, Payment_Amount TEXT, Discount_Taken TEXT);
CREATE TABLE JCT_CURRENT__TRANSACTION (Data_Folder_Id TEXT, Transaction_ID TEXT, Transaction_Type TEXT, Job TEXT, Extra TEXT,
  Cost_Code TEXT, Category TEXT, Vendor TEXT, Invoice TEXT, Description TEXT, Transaction_Date TEXT, Accounting_Date TEXT,
  Commitment TEXT, Amount TEXT, Units TEXT);
INSERT INTO APM_MASTER__VENDOR VALUES ('01', 'V-1', 'Granite Peak', NULL, 'N', 'N', NULL, NULL, NULL, NULL);
INSERT INTO JCM_MASTER__JOB VALUES ('01', 'J-1', 'School', 'In progress');
INSERT INTO JCM_MASTER__STANDARD_CATEGORY VALUES ('01', 'M', 'Material'), ('01', 'L', 'Labor');
INSERT INTO JCM_MASTER__COST_CODE VALUES ('01', 'J-1', NULL, '03-3000', 'Concrete', 'N');
INSERT INTO JCM_MASTER__CATEGORY VALUES ('01', 'J-1', NULL, '03-3000', 'M');
INSERT INTO JCT_CURRENT__TRANSACTION VALUES
  ('01', '88', 'JC cost', 'J-1', NULL, '03-3000', 'M', NULL, NULL, 'Nails', '2026-08-31', '2026-08-31', NULL, '12.50', NULL),
  ('01', '89', 'Approved est changes', 'J-1', NULL, '03-3000', 'M', NULL, NULL, NULL, '2026-08-31', '2026-08-31', NULL, '1.00', NULL);
