// The language: what the user set, else what was chosen on this machine, else what the browser asks for.

import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import { LANGUAGES, type Language } from "../api/session";
import { en } from "./en";
import type { enWork } from "./en_work";
import { zhCN } from "./zh-CN";

declare module "i18next" {
  interface CustomTypeOptions {
    resources: { translation: typeof en & typeof enWork };
    returnNull: false;
  }
}

// Each in itself; the same words whichever language is shown.
export const LANGUAGE_NAMES: Record<Language, string> = { "zh-CN": "中文", en: "English" };

const REMEMBERED = "branchline.language";

export function preferredLanguage(stored: string | null, wanted: readonly string[]): Language {
  const known = LANGUAGES.find((l) => l === stored);
  if (known !== undefined) {
    return known;
  }
  const first = wanted.find((w) => /^(zh|en)\b/i.test(w));
  return first !== undefined && /^zh/i.test(first) ? "zh-CN" : "en";
}

function remembered(): string | null {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

export async function startI18n(language = preferredLanguage(remembered(), navigator.languages)): Promise<void> {
  document.documentElement.lang = language;
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "en",
    supportedLngs: [...LANGUAGES],
    resources: { en: { translation: en }, "zh-CN": { translation: zhCN } },
    // React escapes; doing it twice would show "&lt;" to people.
    interpolation: { escapeValue: false },
    // A name may hold "$t(...)" or "{{...}}": it is text, not a template.
    nsSeparator: false,
    returnNull: false,
  });
}

export async function switchLanguage(language: Language): Promise<void> {
  document.documentElement.lang = language;
  try {
    localStorage.setItem(REMEMBERED, language);
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
  await i18next.changeLanguage(language);
}

export function asLanguage(text: string): Language {
  return text.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}
