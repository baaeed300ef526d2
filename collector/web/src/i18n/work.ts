// The texts of the pages behind the overview.  They are most of the catalogue and nobody signing in reads them, so they come with the
// first page that needs them.

import i18next from "i18next";

import { enWork } from "./en_work";
import { zhWork } from "./zh_work";

function add(): void {
  i18next.addResourceBundle("en", "translation", enWork, true, true);
  i18next.addResourceBundle("zh-CN", "translation", zhWork, true, true);
}

// In the app it has started long before; a test may start it later, or again.
i18next.on("initialized", add);
if (i18next.isInitialized) {
  add();
}
