import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../api/http';
import BaseState from './BaseState.vue';

describe('BaseState', () => {
  it('names the error, what to do, and retries', async () => {
    const error = new ApiError({ title: 'Store is busy', status: 503, detail: 'head is full', hint: 'Wait a moment.' });
    const state = mount(BaseState, { props: { kind: 'error', error } });
    expect(state.text()).toContain('Store is busy');
    expect(state.text()).toContain('Wait a moment.');
    await state.get('button').trigger('click');
    expect(state.emitted('retry')).toHaveLength(1);
  });

  it('asks for the token when the server refuses', () => {
    const state = mount(BaseState, { props: { kind: 'error', error: new ApiError({ title: 'Unauthorized', status: 401 }) } });
    expect(state.find('input[type=password]').exists()).toBe(true);
    expect(state.text()).not.toContain('Retry');
  });

  it('shows the next step where nothing is', () => {
    expect(mount(BaseState, { props: { kind: 'empty', title: 'No nodes', command: 'sentinel doctor' } }).text()).toContain('sentinel doctor');
  });
});
