// What a mark in the page's HTML stands for.

/** `type:id`; src/limits.rs, EVENT_NAME_BYTES and ID_BYTES, bound both. */
const MARK = /^([^:]{1,200}):(.{1,512})$/s;

/** `"post:42"` is the post 42; nothing if it makes no sense. */
export function entityOf(mark, tell) {
  const [, entityType, entityId] = MARK.exec(mark) ?? [];
  if (entityType) return { entityType, entityId };
  tell(`a mark has to read "type:id", not "${mark}"`);
}
