// What is open over the page: the palette, the key help.
import { defineStore } from 'pinia';
import { ref } from 'vue';

export const useFrame = defineStore('frame', () => {
  const isPaletteOpen = ref(false);
  const isHelpOpen = ref(false);
  /** Said once to people who listen to the page instead of looking at it. */
  const announcement = ref('');
  return { isPaletteOpen, isHelpOpen, announcement };
});
