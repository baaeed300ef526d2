// What the lists and pages of all definitions share: the switch, where it applies, the versions.

import { Switch } from "antd";
import type { TFunction } from "i18next";
import type { ReactElement, ReactNode } from "react";
import { useTranslation } from "react-i18next";

import type { Head } from "../../api/definitions";
import type { Result } from "../../api/http";
import { browserZone, formatDateTime } from "../../model/time";
import { useSession } from "../../ui/session";
import { useChange } from "../../ui/use_change";
import "../../i18n/work";
import { personText } from "../incidents/entries";
import "./definitions.css";

interface SwitchProps<T extends Head> {
  item: T;
  change: (item: T, draft: { enabled: boolean }) => Promise<Result<T>>;
  onChanged: () => void;
}

/** The word beside it says what the switch's colour says; those who may not switch see the word alone. */
export function OnOff<T extends Head>({ item, change, onChanged }: SwitchProps<T>): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator } = useSession();
  const { isBusy, run } = useChange();
  const word = t(item.enabled ? "work.enabled" : "work.disabled");
  if (!isAdministrator) {
    return <span className={item.enabled ? undefined : "is-faint"}>{word}</span>;
  }
  const label = t(item.enabled ? "work.switch_off" : "work.switch_on", { name: item.name });
  return (
    <span className="switch">
      <Switch size="small" checked={item.enabled} loading={isBusy} aria-label={label} onChange={(enabled) => void run(() => change(item, { enabled }), onChanged)} />
      <span aria-hidden="true" className={item.enabled ? undefined : "is-faint"}>{word}</span>
    </span>
  );
}

export function scopeText(scope: { region: string; sites: readonly string[] }, t: TFunction, names: ReadonlyMap<string, string> = new Map()): string {
  const parts: string[] = [];
  if (scope.region !== "") {
    parts.push(t("work.in_region", { region: scope.region }));
  }
  if (scope.sites.length > 0) {
    parts.push(scope.sites.length <= 3 ? scope.sites.map((s) => names.get(s) ?? s).join(t("work.and")) : t("work.at_sites", { count: scope.sites.length }));
  }
  return parts.length === 0 ? t("work.everywhere") : parts.join(t("work.and"));
}

/** Newest first; `say` puts one version in words. */
export function Versions<T extends Head>({ versions, say }: { versions: readonly T[]; say: (item: T) => ReactNode }): ReactElement {
  const { t } = useTranslation();
  const zone = browserZone();
  return (
    <ol className="versions">
      {versions.map((v) => (
        <li key={v.version} className="version">
          <div className="version-head">
            <strong>{t("work.version_n", { n: v.version })}</strong>
            <span>{t("work.version_from", { time: formatDateTime(v.from_unix_ms, zone) })}</span>
            <span className="is-faint">{t("work.version_by", { author: personText(v.author, [], t), time: formatDateTime(v.created_unix_ms, zone) })}</span>
            {!v.enabled && <span className="tag">{t("work.disabled")}</span>}
          </div>
          <div className="version-says">{say(v)}</div>
        </li>
      ))}
    </ol>
  );
}
