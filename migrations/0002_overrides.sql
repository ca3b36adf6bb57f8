-- The rules that were set aside for a hold and for the assignment it became. Code that does not know the columns writes
-- and reads as before: what it writes has no overrides.

ALTER TABLE holds ADD COLUMN overrides text [] NOT NULL DEFAULT '{}';
ALTER TABLE assignments ADD COLUMN overrides text [] NOT NULL DEFAULT '{}';
