-- A stub of the tables that include/mappings/sage_100_contractor.yaml names, as that mapping takes them to be. Ours, for SQLite.
CREATE TABLE actpay (recnum INT, vndnme TEXT, fidnum TEXT, inactv INT, addrs1 TEXT, ctynme TEXT, state_ TEXT, zipcde TEXT);
CREATE TABLE actrec (recnum INT, jobnme TEXT, status INT, upddte TEXT);
CREATE TABLE cstcde (recnum INT, cdenme TEXT);
CREATE TABLE pchord (recnum INT, ordnum TEXT, jobnum INT, vndnum INT, dscrpt TEXT, orddte TEXT, status INT);
CREATE TABLE pcorln (recnum INT, linnum INT, dscrpt TEXT, cstcde INT, csttyp INT, extttl INT);
CREATE TABLE acpinv (_idnum TEXT, recnum INT, invnum TEXT, jobnum INT, vndnum INT, invdte TEXT, pchord INT, invamt INT, invbal INT,
  amtpad INT, retain INT, vodrec INT);
CREATE TABLE apivln (_idref TEXT, linnum INT, cstcde INT, csttyp INT, extttl INT);
CREATE TABLE acppmt (recnum INT, invrec INT, chknum TEXT, chkdte TEXT, amount INT, dsctkn INT, vodrec INT);
CREATE TABLE jobcst (recnum INT, jobnum INT, srcnum INT, vndnum INT, trnnum TEXT, dscrpt TEXT, trndte TEXT, cstcde INT, csttyp INT,
  cstamt INT, status INT);
INSERT INTO actpay VALUES (1, 'Acme', '12-3456789', 0, NULL, NULL, NULL, NULL);
INSERT INTO actrec VALUES (25104, 'Clinic', 4, '2026-09-01 10:00:00');
INSERT INTO cstcde VALUES (31000, 'Concrete');
INSERT INTO pchord VALUES (5, 'PO-1', 25104, 1, 'Slab', '2026-08-03', 1);
INSERT INTO pcorln VALUES (5, 1, 'part', 31000, 2, 1200);
INSERT INTO acpinv VALUES ('a-1', 9, 'INV-1', 25104, 1, '2026-08-31', 5, 0, 100, 200, 0, 0), ('a-2', 10, 'INV-2', 25104, 1, '2026-09-30', 5, 0, 50, 0, 0, 3);
INSERT INTO apivln VALUES ('a-1', 1, 31000, 2, 300), ('a-2', 1, 31000, 2, 50);
INSERT INTO acppmt VALUES (4, 9, '1001', '2026-09-15', 200, 0, 0);
INSERT INTO jobcst VALUES (8, 25104, 5, NULL, NULL, 'Wages', '2026-08-31', 31000, 1, 640, 1);
