// The gate: who is there?  Signed out shows the small sign-in page; signed in loads the shell with everything else.

import { lazy, Suspense, useCallback, useEffect, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { onSignedOut, type ApiError } from "./api/http";
import { currentSession, setLanguage, signOut, type Language, type Me } from "./api/session";
import { switchLanguage } from "./i18n";
import { SignIn } from "./pages/signin/signin";
import { errorText } from "./ui/error_text";
import { Session } from "./ui/session";

const loadShell = (): Promise<{ default: () => ReactElement }> => import("./shell");
const Shell = lazy(loadShell);

type Gate = { at: "asking" } | { at: "failed"; error: ApiError } | { at: "out"; ended: boolean } | { at: "in"; me: Me };

export function App(): ReactElement {
  const { t } = useTranslation();
  const [gate, setGate] = useState<Gate>({ at: "asking" });
  const [round, setRound] = useState(0);

  const enter = useCallback((me: Me) => {
    if (me.language !== null) {
      void switchLanguage(me.language);
    }
    setGate({ at: "in", me });
  }, []);

  useEffect(() => {
    onSignedOut(() => setGate((old) => ({ at: "out", ended: old.at === "in" || (old.at === "out" && old.ended) })));
    const abort = new AbortController();
    const ask = async (): Promise<void> => {
      const res = await currentSession(abort.signal);
      if (abort.signal.aborted) {
        return;
      }
      if (res.ok) {
        enter(res.value.user);
      } else if (res.error.status !== 401) {
        setGate({ at: "failed", error: res.error });
      } else {
        void loadShell();
      }
    };
    void ask();
    return () => abort.abort();
  }, [enter, round]);

  const leave = useCallback(() => {
    void signOut().then(() => setGate({ at: "out", ended: false }));
  }, []);
  const chooseLanguage = useCallback((language: Language) => {
    void switchLanguage(language);
    // Kept with the user, so that the next machine knows it too; failing to keep it is not worth a message.
    void setLanguage(language);
  }, []);

  switch (gate.at) {
    case "asking":
      return <div className="booting" role="status">{t("view.loading")}</div>;
    case "failed":
      return (
        <main className="booting">
          <div role="alert">
            <p>{errorText(gate.error, t)}</p>
            <p>
              <button className="button-primary" type="button" onClick={() => { setGate({ at: "asking" }); setRound((n) => n + 1); }}>
                {t("error.retry")}
              </button>
            </p>
          </div>
        </main>
      );
    case "out":
      return <SignIn ended={gate.ended} onSignedIn={enter} />;
    case "in":
      return (
        <Session value={{ me: gate.me, isAdministrator: gate.me.role === "administrator", isOperator: gate.me.role !== "viewer", signOut: leave, chooseLanguage }}>
          <Suspense fallback={<div className="booting" role="status">{t("view.loading")}</div>}>
            <Shell />
          </Suspense>
        </Session>
      );
  }
}
