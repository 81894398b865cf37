import { useEffect, useState } from 'preact/hooks';
import type { Me } from '../../live/api';
import { holderOf } from '../../live/access/token';
import { clockTime } from '../../model/words';
import { useSession } from '../parts/session-context';

/** Who the person is signed in as, and until when. */
export function Who() {
  const { api, token } = useSession();
  const [me, setMe] = useState<Me>();
  useEffect(() => {
    void api.me().then(setMe);
  }, [api]);
  const held = holderOf(token);
  const user = me?.user ?? held.userId;
  const isService = me?.service ?? held.isService;
  const until = me?.expiresAt === undefined ? undefined : `Signed in until ${clockTime(me.expiresAt)}`;
  return (
    <p class="who-am-i" title={until}>
      <span class="unseen">Signed in as </span>
      <strong>{user ?? 'service'}</strong>
      {isService && user !== undefined && <small> service</small>}
    </p>
  );
}
