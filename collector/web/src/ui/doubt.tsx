// "± 3 s" behind a time that a device's clock was not sure of; nothing where it was.

import { Tooltip } from "antd";
import type { TFunction } from "i18next";
import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { doubtLength } from "../model/doubt";

/** null: too little to show. */
export function doubtText(ms: number | null, t: TFunction): string | null {
  const length = doubtLength(ms);
  return length === null ? null : `± ${t(`time.for_${length.unit}`, { count: length.count })}`;
}

export function Doubt({ ms }: { ms: number | null }): ReactElement | null {
  const { t } = useTranslation();
  const text = doubtText(ms, t);
  if (text === null) {
    return null;
  }
  return (
    <Tooltip title={t("doubt.help")} trigger={["hover", "focus"]}>
      <span className="doubt is-tabular" tabIndex={0}> {text}<span className="visually-hidden"> ({t("doubt.help")})</span></span>
    </Tooltip>
  );
}
