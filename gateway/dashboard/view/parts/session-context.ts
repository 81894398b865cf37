import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Session } from '../../live/session';

export const SessionContext = createContext<Session | undefined>(undefined);

/** The session of the view. Throws outside `SessionContext`. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('this view needs a session around it');
  return session;
}
