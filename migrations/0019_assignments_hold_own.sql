-- maitred: no-transaction
ALTER TABLE assignments VALIDATE CONSTRAINT assignments_hold_own;
