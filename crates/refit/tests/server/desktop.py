"""The desktop's side of org.freedesktop.Notifications: it writes down what is shown, and presses what is asked for.

It has the property `Inhibited`, as Plasma has it, while there is a file that says its value. Else it is GNOME."""

import json
import os
import time

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"


class Desktop(dbus.service.Object):
    shown = 0

    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, program, replaces, icon, title, text, actions, hints, timeout):
        self.shown += 1
        with open("/home/ada/shown", "a") as file:
            said = {"program": program, "title": title, "text": text, "actions": list(actions)}
            file.write(json.dumps(said) + "\n")
        GLib.timeout_add(100, self.press, self.shown)
        return dbus.UInt32(self.shown)

    def press(self, number):
        path = f"/home/ada/press-{number}"
        if not os.path.exists(path):
            return True
        with open(path) as file:
            self.ActionInvoked(number, file.read().strip())
        self.NotificationClosed(number, 2)
        return False

    @dbus.service.method(NAME, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body"]

    @dbus.service.method(NAME, out_signature="ssss")
    def GetServerInformation(self):
        return ("desktop", "tests", "1", "1.2")

    @dbus.service.method(NAME, in_signature="u")
    def CloseNotification(self, number):
        self.NotificationClosed(number, 3)

    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        try:
            with open("/home/ada/inhibited") as file:
                value = file.read()
        except FileNotFoundError:
            raise dbus.exceptions.DBusException(name, name="org.freedesktop.DBus.Error.UnknownProperty")
        while value == "hangs":
            time.sleep(60)
        return value == "true"

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, number, key):
        pass

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, number, reason):
        pass


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
names = [dbus.service.BusName(name, bus) for name in (NAME, "org.gnome.Shell")]
desktop = Desktop(bus, "/org/freedesktop/Notifications")
GLib.MainLoop().run()
