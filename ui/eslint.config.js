import vue from 'eslint-plugin-vue';
import ts from 'typescript-eslint';
import parser from 'vue-eslint-parser';

const files = ['**/*.ts', '**/*.vue'];

export default [
  { ignores: ['dist/**', 'node_modules/**', 'src/api/schema.ts'] },
  ...ts.configs.strict.map((config) => ({ ...config, files })),
  ...ts.configs.stylistic.map((config) => ({ ...config, files })),
  ...vue.configs['flat/recommended'],
  {
    files,
    languageOptions: { parser, parserOptions: { parser: ts.parser, sourceType: 'module', extraFileExtensions: ['.vue'] } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      'vue/no-v-html': 'error',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/max-lines-per-block': ['error', { script: 180, template: 160, style: 160 }],
      // Layout of the markup is a matter of taste; these only make noise.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/first-attribute-linebreak': 'off',
      'vue/attributes-order': 'off',
      'vue/require-default-prop': 'off',
      'max-lines': ['error', { max: 300, skipBlankLines: false }],
    },
  },
  { files: ['e2e/**', 'scripts/**', '**/*.test.ts'], rules: { 'vue/one-component-per-file': 'off', 'max-lines': ['error', { max: 500 }] } },
];
