import icon from '../../icon.svg';

interface Props {
  readonly refused: boolean;
  readonly signIn: (token: string) => void;
}

/** Asks for a token. */
export function SignIn({ refused, signIn }: Props) {
  const take = (event: SubmitEvent): void => {
    event.preventDefault();
    const token = new FormData(event.currentTarget as HTMLFormElement).get('token');
    if (typeof token === 'string' && token.trim() !== '') signIn(token.trim());
  };
  return (
    <main class="sign-in">
      <img src={icon} alt="" width="40" height="40" />
      <h1>A token is needed</h1>
      <p id="token-why">
        {refused
          ? 'The gateway does not take that token: it is wrong or has run out.'
          : 'This gateway shows jobs to those who bring a JSON Web Token.'}{' '}
        It is kept in this tab only, until you close it.
      </p>
      <form onSubmit={take}>
        <label for="token">Token</label>
        <div class="row">
          <input
            id="token"
            name="token"
            type="password"
            autocomplete="off"
            required
            aria-describedby="token-why"
            aria-invalid={refused}
          />
          <button type="submit" class="primary">
            Show jobs
          </button>
        </div>
      </form>
    </main>
  );
}
