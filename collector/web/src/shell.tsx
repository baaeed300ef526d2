// What surrounds every page: header, navigation (beside the page; a drawer on phones), language, account; and the routes.

import "./shell.css";
import "dayjs/locale/zh-cn";

import { LogoutOutlined, MenuOutlined, UserOutlined } from "@ant-design/icons";
import { App as AntApp, Button, ConfigProvider, Drawer, Dropdown } from "antd";
import enUS from "antd/locale/en_US";
import zhCN from "antd/locale/zh_CN";
import dayjs from "dayjs";
import { lazy, Suspense, useEffect, useRef, useState, type ReactElement } from "react";
import { useTranslation } from "react-i18next";
import { Link, Route, Switch, useLocation } from "wouter";

import { asLanguage } from "./i18n";
import { Boundary } from "./ui/boundary";
import { Mark } from "./ui/brand";
import { LanguageSwitch } from "./ui/language_switch";
import { useSession } from "./ui/session";
import { themeFor, useIsDark, useIsNarrow, useIsStill } from "./ui/theme";
import { Loading } from "./ui/view";
import { Overview } from "./pages/overview/overview";

const SitePage = lazy(() => import("./pages/site/site"));
const DevicePage = lazy(() => import("./pages/device/device"));
const Fleet = lazy(() => import("./pages/fleet/fleet"));
const Quality = lazy(() => import("./pages/quality/quality"));
const Account = lazy(() => import("./pages/account/account"));
const Users = lazy(() => import("./pages/users/users"));

const Incidents = lazy(() => import("./pages/incidents/incidents"));
const Kpis = lazy(() => import("./pages/kpis/kpis"));
const KpiPage = lazy(() => import("./pages/kpis/kpi"));
const Messages = lazy(() => import("./pages/messages/messages"));
const Channels = lazy(() => import("./pages/channels/channels"));
const ChannelPage = lazy(() => import("./pages/channels/channel"));
const Processes = lazy(() => import("./pages/processes/processes"));
const ProcessPage = lazy(() => import("./pages/processes/process"));
const Metrics = lazy(() => import("./pages/metrics/metrics"));
const Rules = lazy(() => import("./pages/rules/rules"));
const RulePage = lazy(() => import("./pages/rules/rule"));
const Cases = lazy(() => import("./pages/cases/cases"));
const CasePage = lazy(() => import("./pages/cases/case"));
const IncidentPage = lazy(() => import("./pages/incidents/incident"));

const GROUPS = [
  { name: "operate", entries: ["overview", "incidents", "cases", "messages", "metrics"] },
  { name: "build", entries: ["kpis", "rules", "processes", "channels"] },
  { name: "administer", entries: ["fleet", "quality", "users"] },
] as const;
type Entry = (typeof GROUPS)[number]["entries"][number];

// The collector refuses them to others; not to show them saves the click.
const FOR_ADMINISTRATORS: readonly Entry[] = ["users"];
const FOR_OPERATORS: readonly Entry[] = ["channels"];

// Where the name of a page is not its path: /metrics is the collector's own page for a Prometheus.
const PATHS: Partial<Record<Entry, string>> = { overview: "/", metrics: "/explore" };

function pathOf(entry: Entry): string {
  return PATHS[entry] ?? `/${entry}`;
}

function isHere(entry: Entry, path: string): boolean {
  if (path.startsWith("/devices/")) {
    return entry === "fleet";
  }
  return entry === "overview" ? path === "/" || path.startsWith("/sites/") : path === pathOf(entry) || path.startsWith(`${pathOf(entry)}/`);
}

function Nav({ onGo }: { onGo?: () => void }): ReactElement {
  const { t } = useTranslation();
  const { isAdministrator, isOperator } = useSession();
  const [path] = useLocation();
  const shown = (entry: Entry): boolean => (isAdministrator || !FOR_ADMINISTRATORS.includes(entry)) && (isOperator || !FOR_OPERATORS.includes(entry));
  return (
    <nav className="nav" aria-label={t("app.main_nav")}>
      {GROUPS.map((group) => (
        <div key={group.name} className="nav-group" role="group" aria-labelledby={`nav-${group.name}`}>
          <span className="nav-group-name" id={`nav-${group.name}`}>{t(`nav.${group.name}`)}</span>
          {group.entries.filter(shown).map((entry) => (
            <Link key={entry} href={pathOf(entry)} className="nav-link" {...(onGo === undefined ? {} : { onClick: onGo })}
              aria-current={isHere(entry, path) ? "page" : undefined}>
              {t(`nav.${entry}`)}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}

function AccountMenu(): ReactElement {
  const { t } = useTranslation();
  const { me, signOut } = useSession();
  const [, go] = useLocation();
  const items = [
    { key: "account", icon: <UserOutlined />, label: t("nav.account"), onClick: () => go("/account") },
    { key: "out", icon: <LogoutOutlined />, label: t("app.sign_out"), onClick: signOut },
  ];
  return (
    <Dropdown menu={{ items }} trigger={["click"]}>
      <Button type="text" className="account-button" icon={<UserOutlined />} aria-label={`${t("app.account")}: ${me.display_name || me.name}`}>
        <span className="account-name">{me.display_name || me.name}</span>
      </Button>
    </Dropdown>
  );
}

function Header(): ReactElement {
  const { t } = useTranslation();
  const { chooseLanguage } = useSession();
  const isNarrow = useIsNarrow();
  const [isOpen, setOpen] = useState(false);
  return (
    <header className="header">
      <div className="header-inner">
        {isNarrow && <Button type="text" icon={<MenuOutlined />} aria-label={t("app.open_menu")} onClick={() => setOpen(true)} />}
        <Link href="/" className="header-brand">
          <Mark size={28} />
          <span>{t("app.name")}</span>
        </Link>
        <span className="header-gap" />
        {!isNarrow && <LanguageSwitch onSwitch={chooseLanguage} />}
        <AccountMenu />
      </div>
      <Drawer open={isNarrow && isOpen} onClose={() => setOpen(false)} placement="left" size={280} title={t("app.menu")}>
        <Nav onGo={() => setOpen(false)} />
        <div className="drawer-language">
          <LanguageSwitch onSwitch={chooseLanguage} />
        </div>
      </Drawer>
    </header>
  );
}

function NotFound(): ReactElement {
  const { t } = useTranslation();
  return (
    <div className="view-empty">
      <p className="view-empty-title">{t("app.not_found")}</p>
      <Link href="/">{t("app.to_overview")}</Link>
    </div>
  );
}

function Pages(): ReactElement {
  const { t } = useTranslation();
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const broken = (
    <div className="view-error" role="alert">
      <p>{t("app.broken")}</p>
      <Button onClick={() => window.location.reload()}>{t("app.reload")}</Button>
    </div>
  );
  // A new page begins at its top.
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [path]);
  return (
    <main id="content" className="content" ref={main} tabIndex={-1}>
      <Boundary resetKey={path} fallback={broken}>
        <Suspense fallback={<Loading />}>
          <Switch>
            <Route path="/"><Overview /></Route>
            <Route path="/sites/:id">{(params) => <SitePage key={params.id} id={params.id} />}</Route>
            <Route path="/devices/:id">{(params) => <DevicePage key={params.id} id={params.id} />}</Route>
            <Route path="/incidents"><Incidents /></Route>
            <Route path="/incidents/:id">{(params) => <IncidentPage key={params.id} id={params.id} />}</Route>
            <Route path="/kpis"><Kpis /></Route>
            <Route path="/kpis/:id">{(params) => <KpiPage key={params.id} id={params.id} />}</Route>
            <Route path="/messages"><Messages /></Route>
            <Route path="/channels"><Channels /></Route>
            <Route path="/channels/:id">{(params) => <ChannelPage key={params.id} id={params.id} />}</Route>
            <Route path="/processes"><Processes /></Route>
            <Route path="/processes/:id">{(params) => <ProcessPage key={params.id} id={params.id} />}</Route>
            <Route path="/rules"><Rules /></Route>
            <Route path="/rules/:id">{(params) => <RulePage key={params.id} id={params.id} />}</Route>
            <Route path="/cases"><Cases /></Route>
            <Route path="/cases/:no">{(params) => <CasePage key={params.no} no={params.no} />}</Route>
            <Route path="/fleet/:tab?">{(params) => <Fleet tab={params.tab === "devices" ? "devices" : "sites"} />}</Route>
            <Route path="/explore"><Metrics /></Route>
            <Route path="/quality"><Quality /></Route>
            <Route path="/account"><Account /></Route>
            <Route path="/users"><Users /></Route>
            <Route><NotFound /></Route>
          </Switch>
        </Suspense>
      </Boundary>
    </main>
  );
}

export default function Shell(): ReactElement {
  const { t, i18n } = useTranslation();
  const isChinese = asLanguage(i18n.language) === "zh-CN";
  const isDark = useIsDark();
  const isStill = useIsStill();
  const isNarrow = useIsNarrow();
  dayjs.locale(isChinese ? "zh-cn" : "en");
  const skip = (event: React.MouseEvent): void => {
    event.preventDefault();
    document.getElementById("content")?.focus();
  };
  return (
    <ConfigProvider locale={isChinese ? zhCN : enUS} theme={themeFor(isDark, isStill)} button={{ autoInsertSpace: false }}>
      <AntApp component={false}>
        <a className="skip-link" href="#content" onClick={skip}>{t("app.skip")}</a>
        <Header />
        <div className="frame">
          {!isNarrow && <aside className="sider"><Nav /></aside>}
          <Pages />
        </div>
      </AntApp>
    </ConfigProvider>
  );
}
