-- Partitions of sealed_objects and sealed_chunks: one per hour [h, h + 1 hour) of the deadline, named after
-- it in UTC: sealed_chunks_p2026112013.
--
-- The programs may not make or drop tables; these functions do it for them as the owner and do nothing else.
-- They serialise on one advisory lock until the caller's transaction ends, so call each in a transaction of
-- its own.

-- Ciphertext does not compress: trying costs time, and a chunk stored plain can be read without unpacking.
ALTER TABLE sealed_chunks ALTER COLUMN ciphertext SET STORAGE EXTERNAL;

-- The clock of the functions below. A test that moves the hub's clock puts another one in its place.
CREATE FUNCTION present()
    RETURNS timestamptz
    LANGUAGE sql
    AS 'SELECT clock_timestamp()';

-- Asks the catalogue itself: to_regclass may answer from what this session remembers of an earlier moment.
CREATE FUNCTION sealed_partition_exists(suffix text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname = 'sealed_chunks' || suffix);
END
$$;

CREATE FUNCTION ensure_sealed_partition(deadline timestamptz)
    RETURNS void
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
    SET timezone = 'UTC'
    SET lock_timeout = '4s'
AS $$
DECLARE
    begins timestamptz := date_trunc('hour', deadline);
    ends timestamptz := begins + interval '1 hour';
    suffix text := '_p' || to_char(begins, 'YYYYMMDDHH24');
    parent text;
BEGIN
    IF deadline IS NULL OR NOT isfinite(deadline) OR deadline > present() + interval '10 years' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'no deadline lies there';
    END IF;
    IF sealed_partition_exists(suffix) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kessetsu sealed partitions', 0));
    IF sealed_partition_exists(suffix) THEN
        RETURN;
    END IF;
    FOREACH parent IN ARRAY ARRAY['sealed_objects', 'sealed_chunks'] LOOP
        -- Made apart and attached: that locks the parent against other DDL only, not against reading and
        -- writing as CREATE TABLE ... PARTITION OF would. The check saves ATTACH its scan.
        EXECUTE format(
            'CREATE TABLE %1$I (LIKE %2$I INCLUDING ALL, CONSTRAINT within CHECK (deadline >= %3$L AND deadline < %4$L))',
            parent || suffix, parent, begins, ends);
        EXECUTE format('ALTER TABLE %1$I ATTACH PARTITION %2$I FOR VALUES FROM (%3$L) TO (%4$L)',
            parent, parent || suffix, begins, ends);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT within', parent || suffix);
    END LOOP;
END
$$;

-- Drops the empty partitions of hours that are over, as many as it gets the locks for at once: dropping locks
-- the parent against everything, so it must never queue behind a long transaction with everybody behind it.
CREATE FUNCTION drop_spent_sealed_partitions()
    RETURNS integer
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
    SET timezone = 'UTC'
    SET lock_timeout = '100ms'
AS $$
DECLARE
    suffix text;
    used boolean;
    dropped integer := 0;
BEGIN
    FOR suffix IN
        SELECT substr(relname, length('sealed_chunks') + 1)
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'sealed_chunks'::regclass
          AND relname < 'sealed_chunks_p' || to_char(present(), 'YYYYMMDDHH24')
        ORDER BY relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I) OR EXISTS (SELECT FROM %I)',
            'sealed_objects' || suffix, 'sealed_chunks' || suffix) INTO used;
        CONTINUE WHEN used;
        LOCK TABLE sealed_objects, sealed_chunks IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('SELECT EXISTS (SELECT FROM %I) OR EXISTS (SELECT FROM %I)',
            'sealed_objects' || suffix, 'sealed_chunks' || suffix) INTO used;
        CONTINUE WHEN used;
        EXECUTE format('DROP TABLE %I, %I', 'sealed_objects' || suffix, 'sealed_chunks' || suffix);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END
$$;

-- Removes all sealed rows of an hour, files and all, once its time has come. Returns true when none remains,
-- also where there was no partition; false when the hour still lies ahead, a row in it still lives, or its
-- lock was not to be had: ask again later.
CREATE FUNCTION drop_sealed_partition(deadline timestamptz)
    RETURNS boolean
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = public, pg_temp
    SET timezone = 'UTC'
    SET lock_timeout = '2s'
AS $$
DECLARE
    suffix text := '_p' || to_char(date_trunc('hour', deadline), 'YYYYMMDDHH24');
    objects text := 'sealed_objects' || suffix;
    chunks text := 'sealed_chunks' || suffix;
    lives text := format('SELECT EXISTS (SELECT FROM %I WHERE deadline > $1)'
        ' OR EXISTS (SELECT FROM %I WHERE deadline > $1)', objects, chunks);
    alive boolean;
BEGIN
    IF deadline IS NULL OR date_trunc('hour', deadline) > present() THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('kessetsu sealed partitions', 0));
    IF NOT sealed_partition_exists(suffix) THEN
        RETURN true;
    END IF;
    EXECUTE lives INTO alive USING present();  -- before asking for a lock that would keep out the readers of what lives
    IF alive THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I, %I IN ACCESS EXCLUSIVE MODE', objects, chunks);
    EXECUTE lives INTO alive USING present();
    IF alive THEN
        RETURN false;
    END IF;
    -- Emptied first, which needs no lock on the parent. The partition of the running hour stays: rows with
    -- a later deadline in the same hour may be on their way to it.
    EXECUTE format('TRUNCATE %I, %I', objects, chunks);
    PERFORM drop_spent_sealed_partitions();
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

-- The one row whose version says whether what was read of members and networks is still so.
INSERT INTO directory_version DEFAULT VALUES;
