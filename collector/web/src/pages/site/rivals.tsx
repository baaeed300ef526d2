// Machines that take turns with one device's identity: from where they came, so that people find the copy.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { getIdentity } from "../../api/devices";
import { Age } from "../../ui/age";
import { usePoll } from "../../ui/use_poll";

export function Rivals({ device, zone }: { device: string; zone: string }): ReactElement {
  const { t } = useTranslation();
  const polled = usePoll((signal) => getIdentity(device, signal), { key: `identity ${device}`, intervalMs: 30_000 });
  const found = polled.value?.identity_conflict ?? null;
  return (
    <div className="notice is-down">
      <p>{t("site.conflict")}</p>
      {found !== null && (
        <>
          <ul>
            {found.machines.map((m) => (
              <li key={m.boot}>
                {m.address ?? t("site.conflict_no_address")} · {t("site.conflict_last")} <Age unixMs={m.last_unix_ms} zone={zone} none="never" />
              </li>
            ))}
          </ul>
          <p>{t("site.conflict_how")}</p>
        </>
      )}
    </div>
  );
}
