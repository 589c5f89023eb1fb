"""The desktop's side of org.freedesktop.Notifications: it writes down what is shown, and presses what is asked for."""

import json
import os

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

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, number, key):
        pass

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, number, reason):
        pass


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus)
desktop = Desktop(bus, "/org/freedesktop/Notifications")
GLib.MainLoop().run()
