-- Who may do what in the database. Two parts, each safe to run again and again:
--
--   cluster   run by an administrator when the database is made (superuser, or a role with CREATEROLE and
--             CREATEDB). Passwords are not here: bootstrap sets them from files.
--   grants    run by kessetsu_owner after every migration, in one transaction. It first takes everything
--             away, so what stands below is all there is. `hub.store.roles.check_grants` compares.
--
-- A new release is rolled out while the previous one still runs: a grant that the previous code needs is
-- taken away one release later, never in the same one.

-- part: cluster

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['kessetsu_owner', 'kessetsu_api', 'kessetsu_worker', 'kessetsu_operator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', wanted);
        END IF;
    END LOOP;
    -- An administrator who is no superuser must be a member of a role to give it a database.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        GRANT kessetsu_owner TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;
    END IF;
END
$$;

-- pg_temp stands last, so that nothing temporary can stand in for a table of ours.
ALTER ROLE kessetsu_owner SET search_path = public, jobs, pg_temp;
ALTER ROLE kessetsu_owner SET timezone = 'UTC';
ALTER ROLE kessetsu_owner SET lock_timeout = '4s';
ALTER ROLE kessetsu_owner SET statement_timeout = '60s';
ALTER ROLE kessetsu_owner SET idle_in_transaction_session_timeout = '60s';

ALTER ROLE kessetsu_api SET search_path = public, jobs, pg_temp;
ALTER ROLE kessetsu_api SET timezone = 'UTC';
ALTER ROLE kessetsu_api SET lock_timeout = '4s';
ALTER ROLE kessetsu_api SET statement_timeout = '15s';
ALTER ROLE kessetsu_api SET idle_in_transaction_session_timeout = '30s';

ALTER ROLE kessetsu_worker SET search_path = public, jobs, pg_temp;
ALTER ROLE kessetsu_worker SET timezone = 'UTC';
ALTER ROLE kessetsu_worker SET lock_timeout = '10s';
ALTER ROLE kessetsu_worker SET statement_timeout = '120s';
ALTER ROLE kessetsu_worker SET idle_in_transaction_session_timeout = '300s';

ALTER ROLE kessetsu_operator SET search_path = public, jobs, pg_temp;
ALTER ROLE kessetsu_operator SET timezone = 'UTC';
ALTER ROLE kessetsu_operator SET lock_timeout = '10s';
ALTER ROLE kessetsu_operator SET statement_timeout = '300s';
ALTER ROLE kessetsu_operator SET idle_in_transaction_session_timeout = '300s';

-- part: grants

-- Only the owner makes functions; without this everybody could call each new one until the next line.
ALTER DEFAULT PRIVILEGES FOR ROLE kessetsu_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

REVOKE ALL ON SCHEMA public, jobs FROM PUBLIC, kessetsu_api, kessetsu_worker, kessetsu_operator;
REVOKE ALL ON ALL TABLES IN SCHEMA public, jobs FROM PUBLIC, kessetsu_api, kessetsu_worker, kessetsu_operator;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public, jobs FROM PUBLIC, kessetsu_api, kessetsu_worker, kessetsu_operator;
REVOKE ALL ON ALL ROUTINES IN SCHEMA public, jobs FROM PUBLIC, kessetsu_api, kessetsu_worker, kessetsu_operator;

GRANT USAGE ON SCHEMA public, jobs TO kessetsu_api, kessetsu_worker, kessetsu_operator;
GRANT SELECT ON alembic_version TO kessetsu_api, kessetsu_worker, kessetsu_operator;

-- Jobs: the worker runs them; the others put them in and see how they are.
GRANT SELECT, INSERT, UPDATE, DELETE
    ON procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers, procrastinate_workers
    TO kessetsu_worker;
GRANT SELECT, INSERT ON procrastinate_jobs TO kessetsu_api, kessetsu_operator;
GRANT INSERT ON procrastinate_events TO kessetsu_api, kessetsu_operator;
GRANT SELECT ON procrastinate_events, procrastinate_workers TO kessetsu_operator;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO kessetsu_worker;
GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq TO kessetsu_api, kessetsu_operator;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA jobs TO kessetsu_worker;
GRANT EXECUTE ON FUNCTION procrastinate_defer_jobs_v1(procrastinate_job_to_defer_v1[])
    TO kessetsu_api, kessetsu_operator;

-- Partitions of sealed rows: made where rows are sealed, dropped by the worker alone.
GRANT EXECUTE ON FUNCTION ensure_sealed_partition(timestamptz) TO kessetsu_api, kessetsu_worker;
GRANT EXECUTE ON FUNCTION drop_sealed_partition(timestamptz) TO kessetsu_worker;

-- Who is who: the operator's commands write, the others read. A member declares a network over the API; that
-- the API may update standing_since is what PostgreSQL asks for before it lets a row be locked FOR SHARE.
GRANT SELECT ON members, capacities, contacts, agreements, credentials, holdings, prefix_tables, directory_version
    TO kessetsu_api, kessetsu_worker, kessetsu_operator;
GRANT INSERT, UPDATE ON members, capacities, contacts, agreements, credentials, holdings TO kessetsu_operator;
GRANT DELETE ON contacts TO kessetsu_operator;
GRANT INSERT ON prefix_tables TO kessetsu_operator;
GRANT UPDATE ON directory_version TO kessetsu_api, kessetsu_operator;
GRANT INSERT ON holdings TO kessetsu_api;
GRANT UPDATE (standing_since) ON members TO kessetsu_api, kessetsu_worker;

-- A push on its way. The API seals the intake blob; it deletes where a sender withdraws.
GRANT SELECT, INSERT, UPDATE ON reports TO kessetsu_api;
GRANT SELECT, UPDATE ON reports TO kessetsu_worker, kessetsu_operator;
GRANT SELECT, INSERT, DELETE ON sealed_objects, sealed_chunks TO kessetsu_api;
GRANT SELECT, INSERT, DELETE ON sealed_objects, sealed_chunks TO kessetsu_worker;
GRANT SELECT, DELETE ON sealed_objects, sealed_chunks TO kessetsu_operator;

-- Parcels, what was granted on them and what came back.
GRANT SELECT, UPDATE ON parcels TO kessetsu_api, kessetsu_operator;
GRANT SELECT, INSERT, UPDATE ON parcels TO kessetsu_worker;
GRANT SELECT ON streams, grants, policy_sets TO kessetsu_api, kessetsu_operator;
GRANT SELECT, INSERT, UPDATE ON streams TO kessetsu_worker;
GRANT SELECT, INSERT ON grants, policy_sets TO kessetsu_worker;
GRANT INSERT ON policy_sets TO kessetsu_api;
GRANT SELECT, INSERT ON outcomes, outcome_pushes TO kessetsu_api;
GRANT SELECT ON outcomes, outcome_pushes TO kessetsu_operator;
GRANT SELECT, DELETE ON outcomes, outcome_pushes TO kessetsu_worker;
GRANT SELECT, INSERT, UPDATE ON outcome_totals TO kessetsu_api, kessetsu_worker;
GRANT SELECT ON outcome_totals TO kessetsu_operator;
GRANT SELECT, INSERT, UPDATE ON recalls TO kessetsu_api, kessetsu_operator;
GRANT SELECT ON recalls TO kessetsu_worker;

-- What stays behind.
GRANT SELECT ON report_facts, certificates, certificate_parties TO kessetsu_api, kessetsu_operator;
GRANT SELECT, INSERT ON report_facts, certificates, certificate_parties TO kessetsu_worker;
GRANT SELECT, INSERT, DELETE ON report_targets TO kessetsu_worker;

-- The log: every program appends, none changes or deletes; the worker numbers and signs.
GRANT SELECT, INSERT ON audit_entries TO kessetsu_api, kessetsu_worker, kessetsu_operator;
GRANT INSERT ON audit_pending TO kessetsu_api, kessetsu_operator;
GRANT SELECT, INSERT, DELETE ON audit_pending TO kessetsu_worker;
GRANT SELECT ON audit_leaves, audit_checkpoints TO kessetsu_api, kessetsu_operator;
GRANT SELECT, INSERT ON audit_leaves, audit_checkpoints TO kessetsu_worker;
