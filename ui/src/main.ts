// Start of the page: style, stores, the query cache, the live connection.
import '@fontsource-variable/inter/wght.css';
import '@fontsource-variable/jetbrains-mono/wght.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/layout.css';

import { QueryClient, VueQueryPlugin } from '@tanstack/vue-query';
import { createPinia } from 'pinia';
import { createApp } from 'vue';

import App from './App.vue';
import type { ApiError } from './api/http';
import { useConnection } from './composables/useLive';
import { useTimeline } from './composables/useTimeline';
import { router } from './router';

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1000,
      gcTime: 60_000,
      refetchOnWindowFocus: true,
      // A refusal stays a refusal; only silence and overload are worth another try.
      retry: (failures, error) => {
        const { status } = (error as ApiError).problem;
        return failures < 2 && (status === 0 || status === 429 || status >= 502);
      },
    },
  },
});

const app = createApp(App);
app.use(createPinia());
app.use(router);
app.use(VueQueryPlugin, { queryClient });
useTimeline().run();
useConnection().start();
app.mount('#app');
