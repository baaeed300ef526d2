// The shape both catalogues share.  Chinese has no singular of its own, so "_one" keys may be left out.

import type { en } from "./en";
import type { enWork } from "./en_work";

type Texts<T> = { [K in keyof T as K extends `${string}_one` ? never : K]: T[K] extends string ? string : Texts<T[K]> };

export type Catalogue = Texts<typeof en>;
export type WorkCatalogue = Texts<typeof enWork>;
