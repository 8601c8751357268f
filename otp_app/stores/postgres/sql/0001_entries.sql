-- Entries have a value, counters a count; their keys begin with "v:" and "c:".
CREATE TABLE otp_entries (
    key text COLLATE "C" PRIMARY KEY,
    value bytea,
    count bigint,
    expires timestamptz NOT NULL,
    CHECK ((value IS NULL) <> (count IS NULL))
);
CREATE INDEX otp_entries_by_end ON otp_entries (expires);

-- Every change leaves a dead row behind: vacuum after 10,000 of them, not after a fifth of the table.
ALTER TABLE otp_entries SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Called by the trigger that is there while the store is frozen. Counters go on, and so does the session that fills it.
CREATE OR REPLACE FUNCTION otp_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.value IS NULL AND OLD.value IS NULL) OR current_setting('otp.filling', true) = 'yes' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'OTPFR', MESSAGE = TG_ARGV[0];
END $$;
