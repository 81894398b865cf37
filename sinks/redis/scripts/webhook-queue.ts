import { lua, type Script } from './lua';

/**
 * Every hook is in one slot, so that a script has both the order in which they are due and one hook. Times are by
 * Redis's clock, in ms. A hash without `text` is a hook that is done.
 */
export interface HookScripts {
  readonly addHook: Script<number>;
  readonly hurryHook: Script<number>;
  readonly dueHooks: Script<readonly string[]>;
  readonly claimHook: Script<string | null>;
  readonly laterHook: Script<number>;
  readonly doneHook: Script<number>;
}

export const HOOK_SCRIPTS = {
  addHook: lua(2, 'webhooks/add'),
  hurryHook: lua(2, 'webhooks/hurry'),
  dueHooks: lua(1, 'webhooks/due'),
  claimHook: lua(2, 'webhooks/claim'),
  laterHook: lua(2, 'webhooks/later'),
  doneHook: lua(2, 'webhooks/done'),
} satisfies Record<keyof HookScripts, object>;
