// Sets the theme before the first paint. A file of its own, so that the page needs no inline script.
(function () {
  var theme = 'system';
  try {
    theme = JSON.parse(localStorage.getItem('sentinel.preferences') || '{}').theme || 'system';
  } catch (error) {
    theme = 'system';
  }
  var dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
