// Who is signed in, for every page below the shell.

import { createContext, useContext } from "react";

import type { Language, Me } from "../api/session";

export interface SessionContext {
  me: Me;
  isAdministrator: boolean;
  /** May act on incidents. */
  isOperator: boolean;
  signOut: () => void;
  chooseLanguage: (language: Language) => void;
}

export const Session = createContext<SessionContext | null>(null);

export function useSession(): SessionContext {
  const session = useContext(Session);
  if (session === null) {
    throw new Error("useSession outside of the shell");
  }
  return session;
}
