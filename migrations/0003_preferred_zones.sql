-- The zones a party would rather sit in. They only rank, so nothing has to refer to zones that still exist.
ALTER TABLE bookings ADD COLUMN preferred_zone_ids uuid [] NOT NULL DEFAULT '{}';
