import { VirtualTimeScheduler } from 'rxjs';
import type { SessionKey } from '../../../../sinks/leases';
import { anInstance, type Shared } from './an-instance';
import { Register } from './register';

export { TTL_MS } from './register';

export const SERVER = 'http://comfy:8188';
export const key = (clientId = 'c', serverUrl = SERVER): SessionKey => ({ clientId, serverUrl });

/** Leases of several instances over virtual time: what is asked takes effect at once, and is answered `answerMs` later. */
export function aWorld(random = 0.5) {
  const clock = new VirtualTimeScheduler();
  const register = new Register(clock);
  const shared: Shared = { register, clock, random: () => random };
  return {
    clock,
    registry: register.sessions,
    instance: (name: string) => anInstance(name, shared),
    holderOf: (clientId: string) => register.holderOf(clientId),
    grant: (session: SessionKey, owner: string) => register.grant(session, owner),
    /** Sessions that nobody holds. */
    orphaned: (count: number, serverUrl = SERVER) => {
      for (let n = 0; n < count; n++) register.sessions.set(`${serverUrl} ${n}`, key(`${serverUrl} ${n}`, serverUrl));
    },
    pass: (ms: number) => {
      clock.maxFrames = clock.frame + ms;
      clock.schedule(() => 'now', ms);
      clock.flush();
    },
  };
}
