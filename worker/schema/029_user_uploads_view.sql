-- Feeds user_uploads from every upload by a person; earlier events are filled in.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_uploads_view TO user_uploads
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    user_id,
    entity_type,
    entity_id
FROM events
WHERE received_at >= {since} AND name = 'Upload' AND user_id != '' AND bot = ''
GROUP BY site, user_id, entity_type, entity_id
