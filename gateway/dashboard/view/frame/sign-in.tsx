import { useState } from 'preact/hooks';
import icon from '../../icon.svg';
import { isJwt, NO_JWT, tokenIn } from '../../live/access/token';

interface Props {
  /** Why the last token was refused; absent if none was. */
  readonly why?: string;
  readonly signIn: (token: string) => void;
}

/** Asks for a token. */
export function SignIn({ why, signIn }: Props) {
  const [flaw, setFlaw] = useState<string>();
  const take = (event: SubmitEvent): void => {
    event.preventDefault();
    const pasted = new FormData(event.currentTarget as HTMLFormElement).get('token');
    const token = typeof pasted === 'string' ? tokenIn(pasted) : undefined;
    const fits = token !== undefined && isJwt(token);
    setFlaw(fits ? undefined : NO_JWT);
    if (fits) signIn(token);
  };
  const trouble = flaw ?? why;
  return (
    <main class="sign-in">
      <img src={icon} alt="" width="40" height="40" />
      <h1>A token is needed</h1>
      <p id="token-why">
        This gateway shows jobs to those who bring a JSON Web Token. Open tabs share it; it is gone with the last of
        them.
      </p>
      <form onSubmit={take}>
        <label for="token">Token</label>
        <div class="row">
          <input
            id="token"
            name="token"
            type="password"
            autocomplete="off"
            placeholder="eyJ… or Bearer eyJ…"
            required
            aria-describedby="token-why token-trouble"
            aria-invalid={trouble !== undefined}
          />
          <button type="submit" class="primary">
            Show jobs
          </button>
        </div>
        <p id="token-trouble" class="trouble" role="alert">
          {trouble !== undefined && `The gateway does not take that token. ${trouble}`}
        </p>
      </form>
    </main>
  );
}
