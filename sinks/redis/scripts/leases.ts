import { lua } from './lua';

/**
 * Scripts of one key each: in a cluster two sessions, or a session and the registry, may be on different nodes. Each
 * may run twice.
 */
export interface LeaseScripts {
  holdLease(key: string, owner: string, ttlMs: number, from: string): Promise<string>;
  releaseLease(key: string, owner: string): Promise<number>;
  lookAtLease(key: string, ttlMs: number): Promise<readonly [owner?: string, leftMs?: number]>;
  registerSession(key: string, clientId: string, registration: string): Promise<string>;
}

export const LEASE_SCRIPTS = {
  holdLease: lua(1, 'looked', 'leases/hold'),
  releaseLease: lua(1, 'looked', 'leases/release'),
  lookAtLease: lua(1, 'looked', 'leases/look-at'),
  registerSession: lua(1, 'looked', 'leases/register-session'),
} satisfies Record<keyof LeaseScripts, object>;
