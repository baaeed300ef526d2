// Each language is named in itself, so that somebody who reads only one finds it.

import type { ReactElement } from "react";
import { useTranslation } from "react-i18next";

import { LANGUAGES, type Language } from "../api/session";
import { asLanguage, LANGUAGE_NAMES } from "../i18n";

export function LanguageSwitch({ onSwitch }: { onSwitch: (language: Language) => void }): ReactElement {
  const { t, i18n } = useTranslation();
  const current = asLanguage(i18n.language);
  return (
    <div className="language" role="group" aria-label={t("app.language")}>
      {LANGUAGES.map((language) => (
        <button key={language} type="button" lang={language} aria-pressed={language === current} onClick={() => onSwitch(language)}>
          {LANGUAGE_NAMES[language]}
        </button>
      ))}
    </div>
  );
}
