/**
 * ComfyUI's routes that we call, without ids and queries; any other is `other`. An empty name stands for the path
 * itself.
 */
const ROUTES: readonly (readonly [RegExp, string])[] = [
  [/^\/api\/jobs\/[^/]+\/cancel$/, '/api/jobs/{id}/cancel'],
  [/^\/api\/jobs\/[^/]+$/, '/api/jobs/{id}'],
  [/^\/history\/[^/]+$/, '/history/{id}'],
  [/^\/(api\/jobs|prompt|queue|history|interrupt|free|system_stats|view|upload\/(image|mask))$/, ''],
];

export const endpointOf = (method: string, path: string): string => {
  for (const [pattern, name] of ROUTES) if (pattern.test(path)) return `${method} ${name === '' ? path : name}`;
  return 'other';
};
