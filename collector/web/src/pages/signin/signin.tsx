// The sign-in page: plain HTML, so that it is there at once; the rest of the app loads while somebody types.

import { useEffect, useState, type FormEvent, type ReactElement } from "react";
import { useTranslation } from "react-i18next";

import type { ApiError } from "../../api/http";
import { signIn, type Language, type Me } from "../../api/session";
import { switchLanguage } from "../../i18n";
import { Mark } from "../../ui/brand";
import { errorText } from "../../ui/error_text";
import { LanguageSwitch } from "../../ui/language_switch";

interface Props {
  /** The session ended by itself; say so. */
  ended: boolean;
  onSignedIn: (me: Me) => void;
}

/** Seconds left until `untilMs`, counting down. */
function useCountdown(untilMs: number): number {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const tick = (): void => setLeft(Math.max(0, Math.ceil((untilMs - Date.now()) / 1000)));
    const first = setTimeout(tick, 0);
    const timer = setInterval(tick, 500);
    return () => {
      clearTimeout(first);
      clearInterval(timer);
    };
  }, [untilMs]);
  return left;
}

export function SignIn({ ended, onSignedIn }: Props): ReactElement {
  const { t } = useTranslation();
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [isIncomplete, setIncomplete] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [untilMs, setUntilMs] = useState(0);
  const waitS = useCountdown(untilMs);

  const submit = async (): Promise<void> => {
    setIncomplete(user === "" || password === "");
    if (user === "" || password === "") {
      return;
    }
    setBusy(true);
    setError(null);
    const res = await signIn(user, password);
    setBusy(false);
    if (res.ok) {
      onSignedIn(res.value.user);
      return;
    }
    setError(res.error);
    setPassword("");
    if (res.error.status === 429) {
      setUntilMs(Date.now() + (res.error.retryAfterMs ?? 5_000));
    }
  };
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    void submit();
  };

  const message = ((): string | null => {
    if (waitS > 0) {
      return t("signin.wait", { seconds: waitS });
    }
    if (isIncomplete) {
      return t("signin.empty");
    }
    if (error === null || error.status === 429) {
      return null;
    }
    return error.status === 401 ? t("signin.wrong") : errorText(error, t);
  })();

  return (
    <main className="signin">
      <div className="signin-top">
        <LanguageSwitch onSwitch={(language: Language) => void switchLanguage(language)} />
      </div>
      <div className="signin-card">
        <div className="brand">
          <Mark size={44} />
          <div>
            <h1 className="brand-name">{t("app.name")}</h1>
            <p className="brand-tagline">{t("app.tagline")}</p>
          </div>
        </div>
        <form onSubmit={onSubmit} noValidate>
          {ended && message === null && <p className="signin-message is-hint">{t("signin.ended")}</p>}
          <div className="field">
            <label htmlFor="user">{t("signin.user")}</label>
            <input id="user" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus
              value={user} onChange={(e) => setUser(e.target.value)} />
          </div>
          <div className="field">
            <label htmlFor="password">{t("signin.password")}</label>
            <input id="password" name="password" type="password" autoComplete="current-password"
              value={password} onChange={(e) => setPassword(e.target.value)} />
          </div>
          <div role="alert">{message !== null && <p className="signin-message">{message}</p>}</div>
          <button className="button-primary" type="submit" disabled={isBusy || waitS > 0}>
            {isBusy ? t("signin.busy") : t("signin.submit")}
          </button>
        </form>
        <p className="signin-first">{t("signin.first")}</p>
      </div>
    </main>
  );
}
