-- One that is there is what was left when somebody emptied the store by dropping the other tables.
DROP TABLE IF EXISTS otp_jobs;

-- Jobs wait here until they are due; `lease` names the last taking of one, '' where it was put since.
CREATE TABLE otp_jobs (
    id text COLLATE "C" PRIMARY KEY,
    payload bytea NOT NULL,
    due timestamptz NOT NULL,
    lease text NOT NULL
);
CREATE INDEX otp_jobs_by_due ON otp_jobs (due);
ALTER TABLE otp_jobs SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Called by the trigger that is there while the store is frozen.
CREATE OR REPLACE FUNCTION otp_refuse_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('otp.filling', true) = 'yes' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'OTPFR', MESSAGE = TG_ARGV[0];
END $$;
