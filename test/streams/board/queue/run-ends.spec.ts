import { found, started, succeeded } from '../../job/facts';
import type { Fact } from '../../job/a-job';
import { aServer, ours } from './a-server';

const ended: Fact = { tag: 'ended', outcome: [] };

/** Our job behind one stranger, who ends by the frames. */
function behindTheLast() {
  const server = aServer();
  const { looked, told, status, submit } = server;
  status(1);
  submit('a');
  status(2);
  looked(2);
  told('a', found('pending', 1));
  status(1);
  status(1);
  return server;
}

describe('places in a queue, at a run’s end,', () => {
  /** A stranger's run, three more of strangers, and one of ours. */
  function behind() {
    const server = aServer();
    server.status(4);
    server.submit('a');
    server.status(5);
    server.looked(2);
    server.told('a', found('pending', 4));
    return server;
  }

  test('[R8] follow from two `status` of one length: a stranger’s end asks for no look', () => {
    const { looked, status, place } = behind();
    status(4);
    status(4);
    expect(looked(10)).toEqual([]);
    expect(place('a')).toBe(3);
    status(3);
    status(3);
    expect(looked(10)).toEqual([]);
    expect(place('a')).toBe(2);
  });

  test('are looked up at once where one `status` alone tells that a waiting job of a stranger was removed', () => {
    const { looked, status } = behind();
    status(4);
    expect(looked(2)).toEqual(['a']);
  });

  test('are looked up, too, where two sockets tell of one removal', () => {
    const { looked, status } = behind();
    status(4);
    status(4, 'd');
    expect(looked(2)).toEqual(['a']);
  });

  test('are looked up where a stranger came while another’s run ended', () => {
    const { looked, status } = behind();
    status(4);
    status(4);
    status(5);
    expect(looked(2)).toEqual(['a']);
  });

  test('are looked up where only ours are left and none starts: what was taken for a stranger’s end was the removal of ours', () => {
    const { looked } = behindTheLast();
    expect(looked(2)).toEqual(['a']);
  });

  test('follow from the success of ours, though its outputs are still fetched: it counts once', () => {
    const { looked, told, status, place, submit, garbled } = aServer();
    for (const [n, id] of ['a', 'b', 'c', 'd'].entries()) {
      status(n + 1);
      submit(id);
    }
    told('a', started);
    looked(2);
    garbled();
    told('a', succeeded);
    status(3);
    status(3);
    told('b', started);
    looked(2);
    told('a', ended);
    looked(2);
    expect([place('c'), place('d')]).toEqual([1, 2]);
    told('b', ended);
    status(2);
    status(2);
    told('c', started);
    looked(2);
    expect(place('d')).toBe(1);
  });

  test('[R8] ask for no look where ours starts after the last stranger', () => {
    const { looked, told } = behindTheLast();
    told('a', started);
    expect(looked(10)).toEqual([]);
  });

  test('follow from the news of ours, of which a `status` tells no second time', () => {
    const { looked, told, status, place } = ours();
    looked(2);
    told('a', ended);
    status(2);
    status(2);
    told('b', started);
    expect(looked(10)).toEqual([]);
    expect(place('c')).toBe(1);
  });
});
