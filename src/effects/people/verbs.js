// The events of the product analytics client and of the metrics services (CONTRACT.md S2, S3, S4):
// what each function says, as a name and the fields of `track`.
//
// What a site passes as properties stands under `properties`, so that none of its names is taken
// for a field of ours.

/** `$group_<index>` are columns of the client's own table: five. */
const GROUPS = 5;

/** Groups as properties: the whole map, and each one that has an index by that too. */
function withGroups(properties, groups, groupTypeIndex) {
  const types = Object.keys(groups ?? {});
  if (!types.length) return properties;
  const all = { ...properties, $groups: groups };
  for (const type of types) {
    const index = groupTypeIndex?.[type];
    if (Number.isInteger(index) && index >= 0 && index < GROUPS) {
      all[`$group_${index}`] = groups[type];
    }
  }
  return all;
}

export const captured = (groupTypeIndex, userId, name, properties, groups) => [
  name,
  { userId, properties: withGroups(properties, groups, groupTypeIndex) },
];

/** A property that is itself named `$set` does not hide what is set. */
export const identified = (userId, properties = {}) => [
  "$identify",
  { userId, properties: { ...properties, $set: properties } },
];

export const groupIdentified = (type, key, properties = {}) => [
  "$groupidentify",
  { userId: key, properties: { $group_type: type, $group_key: key, $group_set: properties } },
];

export const aliased = (userId, alias) => [
  "$create_alias",
  { userId, properties: { alias, distinct_id: userId } },
];

export const measured = ({ entityType, entityId, metricType, metricValue = 1, userId }) => [
  metricType,
  { entityType, entityId, value: metricValue, userId },
];

export const followed = (followerId, userId, isFollow = true) => [
  "Follow",
  { entityType: "User", entityId: userId, userId: followerId, value: isFollow ? 1 : -1 },
];

/** `contentId` tells one upload from the next: they are counted once each (D3). */
export const uploaded = (userId, contentType, contentId) => [
  "Upload",
  { entityType: contentType, entityId: contentId, userId },
];

export const engaged = (userId, score) => [
  "Engagement",
  { entityType: "User", entityId: userId, userId, value: score },
];
