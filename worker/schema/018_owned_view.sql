-- Feeds owned from every insert into owners. Made before anything feeds owners, so that it misses
-- none.
CREATE MATERIALIZED VIEW IF NOT EXISTS owned_view TO owned
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT site, user_id, entity_type, entity_id, known_at FROM owners
