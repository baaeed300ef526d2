// A change on its way to the collector: one at a time, its failure shown in words, its success told briefly.

import { App } from "antd";
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Result } from "../api/http";
import { errorText } from "./error_text";

export interface Change {
  isBusy: boolean;
  /** True when it was accepted. */
  run: <T>(change: () => Promise<Result<T>>, onDone?: (value: T) => void, said?: string) => Promise<boolean>;
}

export function useChange(): Change {
  const { t } = useTranslation();
  const { message, notification } = App.useApp();
  const [isBusy, setBusy] = useState(false);
  const run = useCallback(
    async <T,>(change: () => Promise<Result<T>>, onDone?: (value: T) => void, said?: string): Promise<boolean> => {
      setBusy(true);
      const res = await change();
      setBusy(false);
      if (!res.ok) {
        notification.error({ title: t("error.change_failed"), description: errorText(res.error, t), className: "is-lines", duration: 12 });
        return false;
      }
      void message.success(said ?? t("fleet.saved"));
      onDone?.(res.value);
      return true;
    },
    [message, notification, t],
  );
  return { isBusy, run };
}
