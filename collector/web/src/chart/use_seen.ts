// Whether an element is, or is about to come, into view: charts further down ask for nothing until somebody scrolls there.

import { useEffect, useState, type RefObject } from "react";

export function useSeen(ref: RefObject<Element | null>): boolean {
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) {
      return undefined;
    }
    const watch = new IntersectionObserver((entries) => setSeen(entries.some((e) => e.isIntersecting)), { rootMargin: "240px" });
    watch.observe(element);
    return () => watch.disconnect();
  }, [ref]);
  return isSeen;
}
