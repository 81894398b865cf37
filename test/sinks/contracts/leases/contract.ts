import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { Leases, SessionRequest, SessionKey } from '../../../../sinks/leases';
import { until } from '../../../support/until';

/** What the contract needs of a store's leases. */
export interface LeasesHarness {
  readonly leases: Leases;
  /** What was reported. */
  readonly reports: readonly unknown[];
  /** Resolves once a request to this session is surely heard. */
  listening(clientId: string): Promise<void>;
  /** Leaves a session behind that nobody holds. */
  abandon(session: SessionKey): Promise<void>;
  dispose(): Promise<void>;
}

/** What all leases keep to, seen from one instance. */
export function leasesContract(name: string, open: () => Promise<LeasesHarness>): void {
  describe(`${name}, as all leases`, () => {
    let harness: LeasesHarness;
    let leases: Leases;

    beforeEach(async () => {
      harness = await open();
      leases = harness.leases;
    });
    afterEach(async () => {
      await harness.dispose();
      expect(harness.reports).toEqual([]);
    });

    const session = { clientId: 'client-1', serverUrl: 'http://comfy:8188' };
    const hold = (key: SessionKey) => lastValueFrom(leases.hold(key));
    const release = (key: SessionKey, forget?: boolean) =>
      lastValueFrom(leases.release(key, forget), { defaultValue: 'nothing' });
    const orphans = async () => (await lastValueFrom(leases.orphans())).sessions;
    const cancel = (promptId: string): SessionRequest => ({ tag: 'cancel', promptId });

    it('are held by who asks, and again', async () => {
      expect(await hold(session)).toBe('held');
      expect(await hold(session)).toBe('held');
    });

    it('know no orphan at first, nor one that is held here', async () => {
      expect(await orphans()).toEqual([]);
      await hold(session);
      expect(await lastValueFrom(leases.orphans())).toEqual({ sessions: [] });
    });

    it('find what was left behind, with its server, until it is held', async () => {
      const left = ['a', 'b'].map((clientId) => ({ ...session, clientId }));
      for (const each of left) await harness.abandon(each);
      expect([...(await orphans())].sort((a, b) => (a.clientId < b.clientId ? -1 : 1))).toEqual(left);
      expect(await hold(left[0]!)).toBe('held');
      expect(await orphans()).toEqual([left[1]]);
      expect(await hold(left[1]!)).toBe('held');
      expect(await orphans()).toEqual([]);
    });

    it('know a session again that is noted, once they looked for those left behind', async () => {
      expect(await orphans()).toEqual([]);
      const note = (key: SessionKey) => lastValueFrom(leases.note(key), { defaultValue: 'nothing' });
      expect(await note(session)).toBe('nothing');
      expect(await note(session)).toBe('nothing');
      expect(await orphans()).toEqual([session]);
      expect(await hold(session)).toBe('held');
      await note(session);
      expect(await orphans()).toEqual([]);
    });

    it('do nothing until they are subscribed to', async () => {
      await harness.abandon(session);
      void leases.hold(session);
      void leases.release(session);
      expect(await orphans()).toEqual([session]);
    });

    it('are given back without a word, even if they were never held', async () => {
      expect(await release(session)).toBe('nothing');
      await hold(session);
      expect(await release(session)).toBe('nothing');
      expect(await hold(session)).toBe('held');
      expect(await release(session, true)).toBe('nothing');
      expect(await release(session, true)).toBe('nothing');
      expect(await orphans()).toEqual([]);
    });

    it('are taken by others once they are given back, and never once they are forgotten', async () => {
      expect(await orphans()).toEqual([]);
      await hold(session);
      await release(session);
      expect(await orphans()).toEqual([session]);
      expect(await hold(session)).toBe('held');
      await release(session, true);
      expect(await orphans()).toEqual([]);
    });

    it('run out some time', () => {
      expect(leases.ttlMs).toBeGreaterThan(0);
      expect(leases.ttlMs).toBeLessThan(2 ** 31);
    });

    it('pass requests on to who is asked of this session, and say whether anybody was', async () => {
      const heard: string[] = [];
      expect(await firstValueFrom(leases.ask('client-1', cancel('early')))).toBe(false);
      const asked = leases
        .asked('client-1')
        .subscribe((request) => heard.push('promptId' in request ? request.promptId : request.tag));
      await harness.listening('client-1');
      expect(await lastValueFrom(leases.ask('client-2', cancel('another’s')))).toBe(false);
      for (const promptId of ['job-1', 'job-2']) {
        expect(await lastValueFrom(leases.ask('client-1', cancel(promptId)))).toBe(true);
      }
      await until(() => heard.length >= 2);
      asked.unsubscribe();
      await until(async () => !(await lastValueFrom(leases.ask('client-1', cancel('late')))));
      expect(heard.filter((promptId) => promptId !== 'late')).toEqual(['job-1', 'job-2']);
    });

    it.each(['a}b{c', '*', 'line\nbreak', '', 'ünï 🎨'])('take %j for a client id', async (clientId) => {
      const odd = { ...session, clientId };
      await harness.abandon(odd);
      expect(await orphans()).toEqual([odd]);
      expect(await hold(odd)).toBe('held');
      const heard = firstValueFrom(leases.asked(clientId));
      await harness.listening(clientId);
      expect(await lastValueFrom(leases.ask(clientId, cancel('job-1')))).toBe(true);
      expect(await heard).toEqual(cancel('job-1'));
    });
  });
}
