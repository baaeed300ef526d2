// The way through a long list: older ones, and back to the newest.

import { Button } from "antd";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import "../i18n/work";

interface Props {
  /** Where the next page begins; null: this is the last one. */
  next: string | null;
  /** Where this page begins; null: at the newest. */
  before: string | null;
  onPage: (before: string | null) => void;
}

export function Paging({ next, before, onPage }: Props): ReactElement | null {
  const { t } = useTranslation();
  if (next === null && before === null) {
    return null;
  }
  return (
    <div className="paging">
      {before !== null && <Button onClick={() => onPage(null)}>{t("work.newest")}</Button>}
      {next !== null && <Button onClick={() => onPage(next)}>{t("work.older")}</Button>}
    </div>
  );
}
