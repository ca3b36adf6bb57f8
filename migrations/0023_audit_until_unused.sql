-- Which entries may be gone is told by floor versions alone.
COMMENT ON COLUMN history_cleared.audit_version IS
'Entries of floor versions up to this one may have been deleted; later ones have not.';
COMMENT ON COLUMN history_cleared.audit_until IS
'Read by nobody, and no longer written. It is here for workers of the version before, who write it until they are replaced.';
