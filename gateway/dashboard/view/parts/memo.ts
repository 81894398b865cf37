import { Component, type ComponentChildren, type FunctionComponent } from 'preact';

/** A component that is redrawn only when one of its props changes. */
export function memo<P extends object>(draw: FunctionComponent<P>): new () => Component<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const now: Readonly<P> = this.props;
      return (Object.keys(next) as (keyof P)[]).some((name) => next[name] !== now[name]);
    }
    override render(props: P): ComponentChildren {
      return draw(props);
    }
  };
}
