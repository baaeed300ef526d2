// The cases of all sites.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { CaseList } from "./list";

export default function Cases(): ReactElement {
  const { t } = useTranslation();
  return (
    <>
      <h1>{t("nav.cases")}</h1>
      <CaseList site={null} />
    </>
  );
}
