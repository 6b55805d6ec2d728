// Colours for what is painted rather than styled: the tokens as the theme has them now.
export const N_COLOURS = 10;
export const tokenOf = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const colourName = (i: number): string => `series-${i % N_COLOURS}`;
