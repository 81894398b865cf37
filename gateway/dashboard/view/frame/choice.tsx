import icon from '../../icon.svg';
import { enter } from '../../live/access/access';
import { holderOf } from '../../live/access/token';

/** Asks whether to switch to the user of the link's token. */
export function Choice({ present, given }: { readonly present: string; readonly given: string }) {
  return (
    <main class="sign-in">
      <img src={icon} alt="" width="40" height="40" />
      <h1>Sign in as somebody else?</h1>
      <p>
        You are signed in as <strong>{nameOf(present)}</strong>. The link that you followed signs you in as{' '}
        <strong>{nameOf(given)}</strong>: what you submit would be theirs.
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => enter(present)}>
          Stay {nameOf(present)}
        </button>
        <button type="button" onClick={() => enter(given)}>
          Switch to {nameOf(given)}
        </button>
      </div>
    </main>
  );
}

const nameOf = (token: string): string => {
  const { userId, isService } = holderOf(token);
  return isService ? `${userId ?? 'a service'} (service)` : (userId ?? 'nobody known');
};
