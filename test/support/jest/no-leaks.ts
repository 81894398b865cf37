import { leaks } from './canary';

// No secret of the tests is in what services wrote, gateways logged and answered, or stores kept, in any test.
afterEach(() => expect(leaks()).toEqual([]));
afterAll(() => expect(leaks()).toEqual([]));
