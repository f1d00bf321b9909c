-- A small job-cost ledger of another make: one-letter words, dates as yyyymmdd, amounts in dollars, ids that the ledger gives.
CREATE TABLE clock (now TEXT NOT NULL);
INSERT INTO clock VALUES ('2026-09-30 18:00:00');

CREATE TABLE vend (co TEXT NOT NULL, vendno TEXT NOT NULL, vendname TEXT NOT NULL, fedid TEXT, inactive INTEGER NOT NULL DEFAULT 0,
  holdcode TEXT NOT NULL DEFAULT 'N', holdwhy TEXT, PRIMARY KEY (co, vendno));
CREATE TABLE job (co TEXT NOT NULL, jobno TEXT NOT NULL, jobname TEXT NOT NULL, st TEXT NOT NULL DEFAULT 'A', PRIMARY KEY (co, jobno));
CREATE TABLE ctype (co TEXT NOT NULL, ct TEXT NOT NULL, ctname TEXT NOT NULL, cat TEXT NOT NULL, PRIMARY KEY (co, ct));
CREATE TABLE phase (co TEXT NOT NULL, jobno TEXT NOT NULL, phase TEXT NOT NULL, phname TEXT NOT NULL, inactive INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (co, jobno, phase));
CREATE TABLE phtype (co TEXT NOT NULL, jobno TEXT NOT NULL, phase TEXT NOT NULL, ct TEXT NOT NULL, PRIMARY KEY (co, jobno, phase, ct),
  FOREIGN KEY (co, jobno, phase) REFERENCES phase (co, jobno, phase), FOREIGN KEY (co, ct) REFERENCES ctype (co, ct));

CREATE TABLE subk (id INTEGER PRIMARY KEY, co TEXT NOT NULL, subno TEXT NOT NULL CHECK (length(subno) <= 10), jobno TEXT NOT NULL,
  vendno TEXT NOT NULL, descr TEXT CHECK (length(descr) <= 40), st TEXT NOT NULL DEFAULT 'O' CHECK (st IN ('O', 'C', 'V')),
  retpct TEXT, subdate TEXT, origamt TEXT NOT NULL, xref TEXT UNIQUE, changed TEXT NOT NULL DEFAULT '',
  UNIQUE (co, subno), FOREIGN KEY (co, jobno) REFERENCES job (co, jobno), FOREIGN KEY (co, vendno) REFERENCES vend (co, vendno));
CREATE TABLE subl (subid INTEGER NOT NULL REFERENCES subk (id), seq INTEGER NOT NULL, co TEXT NOT NULL, jobno TEXT NOT NULL,
  phase TEXT NOT NULL, ct TEXT NOT NULL, descr TEXT, amt TEXT NOT NULL, PRIMARY KEY (subid, seq),
  FOREIGN KEY (co, jobno, phase, ct) REFERENCES phtype (co, jobno, phase, ct));

CREATE TRIGGER subk_hold BEFORE INSERT ON subk
  WHEN EXISTS (SELECT 1 FROM vend v WHERE v.co = NEW.co AND v.vendno = NEW.vendno AND v.holdcode = 'A')
  BEGIN SELECT RAISE(ABORT, 'VENDOR_HOLD: the vendor is on hold'); END;
CREATE TRIGGER subk_new AFTER INSERT ON subk
  BEGIN UPDATE subk SET changed = (SELECT now FROM clock) WHERE id = NEW.id; END;
CREATE TRIGGER subk_moved AFTER UPDATE OF st, descr ON subk
  BEGIN UPDATE subk SET changed = (SELECT now FROM clock) WHERE id = NEW.id; END;

INSERT INTO vend (co, vendno, vendname, fedid, holdcode, holdwhy) VALUES
  ('01', '100', 'Ridgeline Concrete', '84-1111111', 'N', NULL), ('01', '101', 'Harbor Electric', '84-2222222', 'N', NULL),
  ('01', '102', 'Summit Roofing', '84-3333333', 'A', 'insurance expired');
INSERT INTO job (co, jobno, jobname, st) VALUES
  ('01', '26-001', 'Clinic', 'A'), ('01', '26-002', 'Warehouse', 'A'), ('01', '25-090', 'Library', 'C');
INSERT INTO ctype VALUES ('01', '1', 'Labor', 'LAB'), ('01', '2', 'Material', 'MAT'), ('01', '3', 'Subcontract', 'SUB');
INSERT INTO phase (co, jobno, phase, phname) SELECT j.co, j.jobno, p.phase, p.phname FROM job j,
  (SELECT '03-1000' AS phase, 'Footings' AS phname UNION SELECT '26-0500', 'Wiring') p;
INSERT INTO phtype SELECT co, jobno, phase, ct FROM phase, (SELECT '1' AS ct UNION SELECT '3');
INSERT INTO subk (co, subno, jobno, vendno, descr, retpct, subdate, origamt) VALUES
  ('01', 'S-1001', '26-001', '100', 'Footings and slabs', '10', '20260803', '125000.00'),
  ('01', 'S-1002', '26-002', '101', 'Wiring', '5', '20260817', '48500.50');
INSERT INTO subl SELECT id, 1, co, jobno, '03-1000', '3', 'Footings', '100000.00' FROM subk WHERE subno = 'S-1001'
  UNION ALL SELECT id, 2, co, jobno, '03-1000', '1', 'Slabs', '25000.00' FROM subk WHERE subno = 'S-1001'
  UNION ALL SELECT id, 1, co, jobno, '26-0500', '3', 'Wiring', '48500.50' FROM subk WHERE subno = 'S-1002';
