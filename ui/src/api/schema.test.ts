// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { hasDocument, readSchema, schema } from '../../scripts/gen.mjs';

describe('schema', () => {
  it.runIf(hasDocument())('is what the OpenAPI document says', async () => {
    expect(readSchema() === (await schema()), 'src/api/schema.ts is stale: run `npm run gen`').toBe(true);
  });
});
